import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
/** What is imported by which name. */
const MODULES = { 'cytoplex/client': 'index', 'cytoplex/client/file-cache': 'file-cache' }
type ModuleName = keyof typeof MODULES
const CHAPTERS = ['Functions', 'Classes', 'Interfaces and types'] as const
type Chapter = (typeof CHAPTERS)[number]

/** A name that the SDK exports. */
export interface Exported {
  readonly name: string
  readonly chapter: Chapter
  /** What its doc comment says, as Markdown; empty where it has none. */
  readonly doc: string
  /** As TypeScript. */
  readonly declaration: string
  readonly members: readonly Member[]
}

/** A method or property with what its doc comment says. */
export interface Member {
  readonly declaration: string
  readonly doc: string
}

/** The reference of the SDK as Markdown, from the doc comments of what it exports. */
export function clientReference(): string {
  const source = 'Generated from the doc comments of `src/client` by `npm run reference`.'
  const modules = Object.keys(MODULES) as ModuleName[]
  return `${modules.map((name) => moduleText(name, source)).join('\n\n')}\n`
}

function moduleText(module: ModuleName, source: string): string {
  const all = exportedNames(module)
  const names = new Set(all.map(({ name }) => name))
  const chapters = CHAPTERS.flatMap((chapter) => {
    const entries = all.filter((one) => one.chapter === chapter).map((one) => entryText(one, names))
    return entries.length === 0 ? [] : [`## ${chapter}\n\n${entries.join('\n\n')}`]
  })
  return [`# \`${module}\``, source, ...chapters].join('\n\n')
}

/** Everything that a module of the SDK exports, in alphabetical order. */
export function exportedNames(name: ModuleName): Exported[] {
  const entry = `${ROOT}src/client/${MODULES[name]}.ts`
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(`${ROOT}tsconfig.json`, (path) => ts.sys.readFile(path)).config,
    ts.sys,
    ROOT,
  )
  const program = ts.createProgram([entry], options)
  const checker = program.getTypeChecker()
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!
  return checker
    .getExportsOfModule(module)
    .map((symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      return exported(checker, symbol.name, target)
    })
    .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
}

function exported(checker: ts.TypeChecker, name: string, symbol: ts.Symbol): Exported {
  const node = symbol.declarations!.find(isType) ?? symbol.declarations![0]!
  const doc = docOf(checker, symbol)
  if (ts.isFunctionDeclaration(node)) {
    return { name, chapter: 'Functions', doc, declaration: signature(node), members: [] }
  }
  if (ts.isVariableDeclaration(node) && node.initializer && ts.isArrowFunction(node.initializer)) {
    const { initializer } = node
    const text = textBetween(initializer.getStart(), initializer.equalsGreaterThanToken.getStart())
    return { name, chapter: 'Functions', doc, declaration: `function ${name}${text(node)}`, members: [] }
  }
  if (ts.isClassDeclaration(node)) {
    const members = node.members.filter(isPublic).map((member) => memberOf(checker, member))
    return { name, chapter: 'Classes', doc, declaration: heading(node), members }
  }
  if (ts.isInterfaceDeclaration(node)) {
    const members = node.members.map((member) => memberOf(checker, member))
    return { name, chapter: 'Interfaces and types', doc, declaration: heading(node), members }
  }
  const own = ts.isTypeAliasDeclaration(node) && !node.getText().includes('Static<')
  const declaration = own ? node.getText().replace(/^export /, '') : `type ${name} = ${written(checker, symbol)}`
  return { name, chapter: 'Interfaces and types', doc, declaration, members: [] }
}

/** A schema has a value and a type of the same name. */
const isType = (node: ts.Declaration): boolean => ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)

const isPublic = (node: ts.ClassElement): boolean =>
  !(node.name !== undefined && ts.isPrivateIdentifier(node.name)) &&
  (ts.getCombinedModifierFlags(node) & (ts.ModifierFlags.Private | ts.ModifierFlags.Override)) === 0

function memberOf(checker: ts.TypeChecker, node: ts.ClassElement | ts.TypeElement): Member {
  const symbol = node.name && checker.getSymbolAtLocation(node.name)
  const doc = symbol === undefined ? commentsOf(node) : docOf(checker, symbol)
  return { declaration: signature(node), doc }
}

/** A declaration without its body, on one line. */
function signature(node: ts.Node & { readonly body?: ts.Node | undefined }): string {
  const text = textBetween(node.getStart(), node.body?.getStart() ?? node.getEnd())(node)
  return text
    .replace(/^(?:export|async|readonly)\s+/g, '')
    .replace(/^async /, '')
    .replace(/^\*/, '')
}

const textBetween =
  (from: number, to: number) =>
  (node: ts.Node): string =>
    node
      .getSourceFile()
      .text.slice(from, to)
      .trim()
      .replace(/\/\*\*[\s\S]*?\*\/\s*/g, '')
      .replace(/(?<=[^\s(,{|&=])\n\s*(?=(?:readonly )?\w+\??:)/g, '; ')
      .replace(/\(\s+/g, '(')
      .replace(/,?\s+\)/g, ')')
      .replace(/\s+/g, ' ')

/** A class or interface up to its members. */
function heading(node: ts.ClassDeclaration | ts.InterfaceDeclaration): string {
  const kind = ts.isClassDeclaration(node) ? 'class' : 'interface'
  const heritage = (node.heritageClauses ?? []).map((clause) => ` ${clause.getText()}`).join('')
  return `${kind} ${node.name!.text}${heritage}`
}

/** What a schema stands for. */
function written(checker: ts.TypeChecker, symbol: ts.Symbol): string {
  const flags =
    ts.NodeBuilderFlags.NoTruncation | ts.NodeBuilderFlags.InTypeAlias | ts.NodeBuilderFlags.MultilineObjectLiterals
  const node = checker.typeToTypeNode(checker.getDeclaredTypeOfSymbol(symbol), undefined, flags)!
  const source = ts.createSourceFile('reference.ts', '', ts.ScriptTarget.ESNext)
  return ts.createPrinter().printNode(ts.EmitHint.Unspecified, node, source)
}

const docOf = (checker: ts.TypeChecker, symbol: ts.Symbol): string =>
  linked(ts.displayPartsToString(symbol.getDocumentationComment(checker)))

const commentsOf = (node: ts.Node): string =>
  linked(
    ts
      .getJSDocCommentsAndTags(node)
      .map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '')
      .join(' '),
  )

const linked = (doc: string): string =>
  doc.replaceAll(/\{@link ([^}]+)\}/g, (_, name: string) => `\`${name.trim()}\``).replaceAll('\n', ' ')

function entryText({ name, doc, declaration, members }: Exported, names: ReadonlySet<string>): string {
  const lines = [`### \`${name}\``, `\`\`\`ts\n${declaration}\n\`\`\``]
  if (doc !== '') lines.push(doc)
  if (members.length > 0) {
    lines.push(members.map((one) => `- \`${one.declaration}\`${one.doc === '' ? '' : `  \n  ${one.doc}`}`).join('\n'))
  }
  const mentioned = new Set([declaration, ...members.map((one) => one.declaration)].join(' ').match(/\b[A-Z]\w+/g))
  const see = [...mentioned].filter((one) => one !== name && names.has(one)).sort()
  if (see.length > 0) lines.push(`See ${see.map((one) => `[\`${one}\`](#${one.toLowerCase()})`).join(', ')}.`)
  return lines.join('\n\n')
}
