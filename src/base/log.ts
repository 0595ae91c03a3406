// What a long-running part says while it works: an event in words, and its values beside it. The command line decides
// where the lines go (pino writes them as JSON); keys of peers are public, others never come near.

type Say = (values: Record<string, unknown>, text: string) => void

export interface Log {
  readonly debug: Say
  readonly info: Say
  readonly warn: Say
  readonly error: Say
}
