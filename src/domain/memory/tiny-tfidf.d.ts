/** The part of the library that is used here: it brings no types. */
declare module 'tiny-tfidf' {
  export class Document {
    getLength(): number
    getTermFrequency(term: string): number | null
    getUniqueTerms(): string[]
  }
  export class Corpus {
    constructor(names: readonly string[], texts: readonly string[], options?: { useDefaultStopwords?: boolean })
    getCollectionFrequencyWeight(term: string): number | null
    getDocument(name: string): Document
  }
  export class Stopwords {
    getStopwordList(): string[]
  }
}
