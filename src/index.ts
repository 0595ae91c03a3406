// The public API: `import … from 'podwire'`. What is not exported here may change at any time.

export { type ErrorCode, PodwireError } from './base/errors.ts'
