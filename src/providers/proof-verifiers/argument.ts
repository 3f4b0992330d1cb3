/** What a goal wants to have proven: what follows the kind and a point in the name of a proof. Undefined where the name is the kind alone. */
export const argumentOf = (kind: string, name: string): string | undefined =>
  name.startsWith(`${kind}.`) ? name.slice(kind.length + 1) : undefined
