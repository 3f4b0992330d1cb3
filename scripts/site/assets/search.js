// Searches the prebuilt index (search-index.js, which is loaded when somebody begins to type). Works from a folder as well:
// pages of `file:` may load scripts, but neither modules nor JSON.
;(() => {
  const MOST = 20
  const root = document.documentElement.dataset.root
  const input = document.getElementById('query')
  const list = document.getElementById('results')
  const count = document.getElementById('count')
  let loading

  /** Resolves with the index. */
  function load() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement('script')
      script.src = `${root}/search-index.js`
      script.onload = () => resolve(globalThis.searchIndex)
      script.onerror = () => reject(new Error('the index cannot be loaded'))
      document.head.append(script)
    })
    return loading
  }

  /** Sections that have a word which begins like this one; whole words count more. */
  function sectionsWith(index, word) {
    const scores = new Map()
    for (const [name, places] of Object.entries(index.words)) {
      if (!name.startsWith(word)) continue
      let at = 0
      for (const distance of places) {
        at += distance
        scores.set(at, Math.max(scores.get(at) ?? 0, name === word ? 2 : 1))
      }
    }
    return scores
  }

  /** Positions of sections that have all the words, best first: a word of a heading counts most. */
  function find(index, words) {
    const [first, ...others] = words.map((word) => sectionsWith(index, word))
    const scored = []
    for (const [at, score] of first ?? []) {
      if (!others.every((scores) => scores.has(at))) continue
      const heading = index.sections[at][2].toLowerCase()
      const inHeading = words.filter((word) => heading.includes(word)).length
      scored.push([at, score + others.reduce((sum, scores) => sum + scores.get(at), 0) + 3 * inHeading])
    }
    return scored.sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([at]) => at)
  }

  function show(index, words) {
    const found = words.length === 0 ? [] : find(index, words)
    list.replaceChildren(
      ...found.slice(0, MOST).map((at) => {
        const [href, page, heading, text] = index.sections[at]
        const item = document.createElement('li')
        const link = document.createElement('a')
        link.href = `${root}/${href}`
        link.textContent = heading === page ? page : `${page}: ${heading}`
        const about = document.createElement('small')
        about.textContent = text
        link.append(about)
        item.append(link)
        return item
      }),
    )
    list.hidden = found.length === 0
    const more = found.length > MOST ? `, the best ${MOST} are shown` : ''
    count.textContent = words.length === 0 ? '' : `${found.length} sections${more}`
  }

  input.addEventListener('input', async () => {
    const words = input.value.toLowerCase().match(/[\p{L}\p{N}_]{2,40}/gu) ?? []
    try {
      const index = await load()
      show(index, words)
    } catch (error) {
      count.textContent = error.message
    }
  })
})()
