// By what right this host reads and writes a store. Secrets are named by their files, so that this is no secret itself and can
// stand in a node's settings.

export interface StoreAccess {
  /** server: what its certificate's public key must be: SHA-256 of the SubjectPublicKeyInfo, base64url. */
  readonly pin?: string
  /** server: the Ed25519 private key (PEM, PKCS #8) by which it knows this node. */
  readonly identityFile?: string
  /** etcd: certificates (PEM) that servers are checked against; absent: those of the system. */
  readonly caFile?: string
  /** etcd: our certificate and its key (PEM). */
  readonly certFile?: string
  readonly keyFile?: string
  /** etcd: in place of a certificate. */
  readonly user?: string
  readonly passwordFile?: string
  /** kubernetes: absent: the service account of the pod that this runs in. */
  readonly kubeconfigFile?: string
}
