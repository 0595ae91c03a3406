// What goes wrong with a call: the codes of gRPC, as a server says them or as we do who wait for it.

/** The codes of gRPC that something is done about. */
export const grpcStatus = {
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  outOfRange: 11,
  unavailable: 14,
  unauthenticated: 16,
} as const

export class GrpcError extends Error {
  readonly status: number
  /** The server said so; else we did, who got no answer. */
  readonly isAnswer: boolean

  constructor(status: number, message: string, isAnswer = false) {
    super(message)
    this.status = status
    this.isAnswer = isAnswer
  }
}
