import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { clusterOfPod } from '../../../src/kubernetes/cluster.ts'
import { readKubeconfig } from '../../../src/kubernetes/kubeconfig.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwire-kubeconfig-'))
})
after(() => rm(folder, { recursive: true }))

const write = async (name: string, text: string) => {
  await writeFile(join(folder, name), text)
  return join(folder, name)
}

/** A kubeconfig of one context, its user and cluster as YAML flow. */
const config = (user: string, cluster = '{server: "https://192.0.2.1:6443"}') =>
  write(
    'config',
    `current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}, {name: there, context: {cluster: c, user: nobody}}]
clusters: [{name: c, cluster: ${cluster}}]
users: [{name: u, user: ${user}}]
`,
  )

test('kubeconfig: each kind of user', async () => {
  await write('token', 'from-file\n')
  await write('cert.pem', 'CERT')
  const key = Buffer.from('KEY').toString('base64')
  for (const [user, expected] of [
    ['{token: abc}', { token: 'abc' }],
    ['{tokenFile: token}', { token: 'from-file' }],
    [`{client-certificate: cert.pem, client-key-data: ${key}}`, { cert: 'CERT', key: 'KEY' }],
  ] as const) {
    assert.deepEqual(await (await readKubeconfig(await config(user))).credentials(), expected, user)
  }
})

test('kubeconfig: a token file is read anew each time', async () => {
  await write('token', 'one')
  const { credentials } = await readKubeconfig(await config('{tokenFile: token}'))
  assert.deepEqual(await credentials(), { token: 'one' })
  await write('token', 'two')
  assert.deepEqual(await credentials(), { token: 'two' })
})

test('kubeconfig: a program is run once until what it gave expires, or is refused', async () => {
  const program = await write(
    'plugin',
    `#!/bin/sh
echo run >>${folder}/runs
echo '{"status": {"token": "'"$1 $WHO"'", "expirationTimestamp": "2999-01-01T00:00:00Z"}}'
`,
  )
  await chmod(program, 0o755)
  const user = '{exec: {command: ./plugin, args: [x], env: [{name: WHO, value: me}]}}'
  const { credentials } = await readKubeconfig(await config(user))
  assert.deepEqual(await Promise.all([credentials(), credentials()]), [{ token: 'x me' }, { token: 'x me' }])
  await credentials()
  const { readFile } = await import('node:fs/promises')
  assert.equal(await readFile(join(folder, 'runs'), 'utf8'), 'run\n')
  await credentials(true)
  assert.equal(await readFile(join(folder, 'runs'), 'utf8'), 'run\nrun\n')
})

test('kubeconfig: a program that prints something else is refused, and what it printed is not told', async () => {
  await chmod(await write('bad', '#!/bin/sh\necho secret-token\n'), 0o755)
  const { credentials } = await readKubeconfig(await config('{exec: {command: ./bad}}'))
  await assert.rejects(
    credentials(),
    error => !String(error).includes('secret-token') && /ExecCredential/.test(`${error}`),
  )
})

test('kubeconfig: the cluster', async () => {
  await write('ca.pem', 'CA')
  const cluster = '{server: "https://api.example:6443/", certificate-authority: ca.pem, tls-server-name: api}'
  const { server, ca, serverName } = await readKubeconfig(await config('{token: x}', cluster))
  assert.deepEqual({ server, ca, serverName }, { server: 'https://api.example:6443', ca: 'CA', serverName: 'api' })
})

test('kubeconfig: what cannot be used is refused with its reason', async () => {
  const server = 'server: "https://192.0.2.1"'
  for (const [user, cluster, expected, context] of [
    ['{token: x}', '{server: "http://192.0.2.1"}', /"http:\/\/192\.0\.2\.1" is not https/],
    ['{token: x}', `{${server}, insecure-skip-tls-verify: true}`, /insecure-skip-tls-verify/],
    ['{token: x}', `{${server}, proxy-url: "http://p"}`, /proxy-url/],
    ['{username: x}', `{${server}}`, /has no token/],
    ['{tokenFile: x}', `{${server}, certificate-authority: missing}`, /ENOENT/],
    ['{token: x}', `{${server}}`, /no context "nowhere"; there are here, there/, 'nowhere'],
    ['{token: x}', `{${server}}`, /no user "nobody"; there are u/, 'there'],
    ['{token: [secret-token', `{${server}}`, /is not YAML/],
  ] as const) {
    await assert.rejects(readKubeconfig(await config(user, cluster), context), error => {
      assert.match(String(error), expected)
      return !String(error).includes('secret-token')
    })
  }
})

test('kubernetes: the service account of a pod', async () => {
  await write('ca.crt', 'CA')
  await write('token', 'one\n')
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
  const { server, ca, credentials } = await clusterOfPod(env, folder)
  assert.deepEqual({ server, ca }, { server: 'https://[fd00::1]:6443', ca: 'CA' })
  assert.deepEqual(await credentials(), { token: 'one' })
  await write('token', 'two\n')
  assert.deepEqual(await credentials(), { token: 'two' })
  await assert.rejects(clusterOfPod({}, folder), /this is no pod/)
})
