import { simulateFederation } from './federation.ts'

const sizes = (process.argv[2] ?? '25').split(',').map(Number)
for (const size of sizes)
  console.log(await simulateFederation(size, 1, { delayMs: [5, 50], loss: 0.01 }, (t) => console.log(t)))
process.exit(0)
