// Certificates for a test, made by the openssl program: an authority, a server on loopback, and clients by name.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exec } from '../../src/base/exec.ts'

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
}

export class Authority {
  readonly caFile: string
  readonly #folder: string
  readonly #key: string

  private constructor(folder: string, name: string) {
    this.#folder = folder
    this.caFile = join(folder, `${name}.pem`)
    this.#key = join(folder, `${name}.key`)
  }

  /** Its files and those of its certificates lie in `folder`. */
  static async make(folder: string, name: string): Promise<Authority> {
    const authority = new Authority(folder, name)
    const subject = ['-subj', `/CN=${name}`, '-days', '2']
    await exec(['openssl', ...newKey, '-x509', ...subject, '-keyout', authority.#key, '-out', authority.caFile])
    return authority
  }

  /** For a server on 127.0.0.1, or a client whose common name is the user's. */
  async issue(file: string, kind: 'server' | 'client', commonName: string): Promise<Certificate> {
    const [certFile, keyFile] = [join(this.#folder, `${file}.pem`), join(this.#folder, `${file}.key`)]
    const [request, extensions] = [`${certFile}.csr`, `${certFile}.ext`]
    // As the members of a cluster take it: etcd is a client of itself with the server's certificate.
    const server = 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n'
    await writeFile(extensions, kind === 'server' ? server : 'extendedKeyUsage=clientAuth\n')
    const subject = commonName === '' ? '/O=podwire test' : `/CN=${commonName.replaceAll('/', '\\/')}`
    await exec(['openssl', ...newKey, '-subj', subject, '-keyout', keyFile, '-out', request])
    const by = ['-CA', this.caFile, '-CAkey', this.#key, '-CAcreateserial', '-days', '2']
    await exec(['openssl', 'x509', '-req', '-in', request, ...by, '-extfile', extensions, '-out', certFile])
    return { certFile, keyFile }
  }
}

const newKey = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
