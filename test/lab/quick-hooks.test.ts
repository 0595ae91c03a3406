// Hooks of `podwire quick`: what they see is what Debian's wg-quick shows them, however long they are, and nobody else sees them;
// what else a run has, and a hook or another user must not have: keys, and the lock.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, type Tool, withQuickHosts } from './quick-host.ts'
import { cli } from './tunnel.ts'
import { until } from './until.ts'

const base64 = (secret: { bytes: Uint8Array }) => Buffer.from(secret.bytes).toString('base64')
const key = base64(generatePrivateKey())
const psk = base64(generatePresharedKey())
const peer = publicKeyOf(generatePrivateKey())
const conf = (...own: string[]) => ['[Interface]', `PrivateKey = ${key}`, ...own, ''].join('\n')

/** Each writes to its log what it sees. */
const hooks: Record<string, string> = {
  quotes: `echo "a  b" 'c  "d"' e\\ f $'g\\th' \`echo i\` $(echo "j  k") >> log`,
  'the name': 'echo %i %%i "%i.x" >> log',
  'variables of wg-quick': 'echo "$INTERFACE $(basename "$CONFIG_FILE")" >> log',
  'options of the shell': 'echo $LC_ALL >> log; shopt extglob >> log; shopt -o pipefail errexit >> log',
  'patterns of extglob': '[[ abab == +(ab) ]] && echo yes >> log',
  'its standard input': 'readlink /proc/self/fd/0 | sed s/[0-9]*//g >> log; cat >> log',
  'no other descriptor': '(: >&3) 2> /dev/null && echo open >> log || echo closed >> log',
  'a variable for the next hook': 'left=over',
  'that was left': 'echo "<$left>" >> log',
  'exit ends only the hook': 'exit 0; echo no >> log',
  functions: 'f() { echo "$2 $1" >> log; }; f "x y" z',
  blanks: 'echo "   many   "   >> log',
}

async function logOf(at: QuickHost, tool: Tool, text: string): Promise<string> {
  const file = at.write('wg0.conf', text)
  await at.sh('rm -f log')
  const { status, stderr } = await at.quick(tool, ['up', file])
  const log = await at.sh('cat log')
  await at.quick(tool, ['down', file])
  return `${status} ${status === 0 ? '' : stderr}\n${log}`
}

test('quick hooks: see what wg-quick shows them', async () => {
  await withQuickHosts('hook-same', async at => {
    const before = await at.state()
    const lines = Object.entries(hooks).flatMap(([name, hook]) => [
      `PostUp = echo '== ${name}' >> log`,
      `PostUp = ${hook}`,
    ])
    const ours = await logOf(at, 'podwire', conf(...lines))
    assert.equal(ours, await logOf(at, 'wg-quick', conf(...lines)))
    assert.ok(ours.startsWith('0') && ours.includes('== blanks\n'), ours)
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick hooks: longer than an argument may be, and in no list of processes', async () => {
  await withQuickHosts('hook-long', async at => {
    const before = await at.state()
    const long = 'x'.repeat(200_000)
    const password = `password-${process.pid}`
    const seen = 'grep -alz "$(echo passw)ord-" /proc/[0-9]*/cmdline > seen 2> /dev/null || :'
    const hook = `: ${password}; ${seen}; echo ${long} | wc -c >> log`
    assert.equal(await logOf(at, 'podwire', conf(`PostUp = ${hook}`)), '0 \n200001\n')
    assert.equal(await at.sh('cat seen'), '')
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick hooks: without bash, the error says which package has it', async () => {
  await withQuickHosts('hook-bash', async at => {
    const before = await at.state()
    const file = at.write('wg0.conf', conf('PreUp = true'))
    await at.sh('mkdir bin; for name in flock ip nft env sh setsid; do ln -s $(command -v $name) bin; done')
    const { status, stderr } = await at.quick('podwire', ['up', file], { PATH: `${at.folder}/bin` })
    assert.equal(status, 3, stderr)
    assert.match(stderr, /"bash" was not found[\s\S]*apt-get install bash/)
    assert.deepEqual(await at.state(), before)
  })
})

test('quick: a variable with a key is in the environment of no hook and no device', async () => {
  await withQuickHosts('hook-env', async at => {
    const before = await at.state()
    const hook =
      'env >> log; cat /proc/$(pgrep --ns $$ --nslist net -f "device.* wg0$")/environ | tr "\\0" "\\n" >> log'
    const interfaceOf = {
      privateKey: { env: 'WG_KEY' },
      saveConfig: true,
      hooks: { postUp: [hook], preDown: ['env >> log'] },
    }
    const document = { interface: interfaceOf, peers: [{ publicKey: peer, presharedKey: { env: 'WG_PSK' } }] }
    const file = at.write('wg0.json', JSON.stringify(document))
    const env = { WG_KEY: key, WG_PSK: psk, OTHER: 'stays' }
    const up = await at.quick('podwire', ['up', file], env)
    assert.equal(up.status, 0, up.stderr)
    assert.ok((await at.sh('wg show wg0 dump')).includes(psk))
    const down = await at.quick('podwire', ['down', file], env)
    assert.equal(down.status, 0, down.stderr)
    const log = await at.sh('cat log')
    assert.equal(log.split('OTHER=stays').length - 1, 3, log)
    assert.doesNotMatch(log, /WG_KEY|WG_PSK/)
    assert.match(await at.sh('cat wg0.json'), /WG_KEY[\s\S]*WG_PSK/, 'saved as it was')
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick: interrupted at a terminal, twice, it says so and takes everything back', async () => {
  await withQuickHosts('hook-ctrl-c', async at => {
    const before = await at.state()
    const file = at.write(
      'wg0.conf',
      `${conf('PostUp = touch begun; sleep 600')}[Peer]\nPublicKey = ${peer}\nAllowedIPs = 0.0.0.0/0\n`,
    )
    const nft = (await at.sh('command -v nft')).trim()
    const slow = 'touch taking-back; until [ -e go ]; do sleep 0.02; done'
    at.write(
      'nft',
      `#!/bin/sh\ncd ${at.folder}\nif [ -e begun ] && [ "$1" = -f ]; then ${slow}; fi\nexec ${nft} "$@"\n`,
      0o755,
    )
    // script(1) gives it a terminal, and types there what it reads.
    const quick = `exec env PATH=$PWD:$PATH WG_QUICK_USERSPACE_IMPLEMENTATION=podwire-device ${process.execPath} ${cli} quick up ${file}`
    const terminal = at.lab.spawn(at.host, ['env', '-C', at.folder, 'script', '-qec', quick, '/dev/null'], {
      stdio: 'pipe',
    })
    let output = ''
    terminal.stdout?.on('data', data => {
      output += data
    })
    const ended = once(terminal, 'close')
    // The terminal shows the key when it has sent the signal.
    const type = async (times: number) => {
      terminal.stdin?.write('\x03')
      await until(`Ctrl-C, ${times} times`, () => output.split('^C').length > times, 60)
    }
    await until('the hook runs', async () => (await at.sh('ls begun')) !== '', 60)
    await type(1)
    await until('the roll-back runs', async () => (await at.sh('ls taking-back')) !== '', 60)
    await type(2)
    await at.sh('touch go')
    assert.equal((await ended)[0], 1, output)
    assert.match(output, /interrupted by SIGINT/)
    assert.doesNotMatch(output, /not taken back|Mend the command/)
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick: another user can hold nothing that it waits for', async () => {
  await withQuickHosts('hook-lock', async at => {
    const before = await at.state()
    const file = at.write('wg0.conf', conf('PreUp = true'))
    const nobody = 'os.setgroups([]); os.setgid(65534); os.setuid(65534)'
    const take = 's = socket.socket(socket.AF_UNIX); s.bind("\\0podwire-quick-wg0"); s.listen()'
    const hold = `import os, socket, sys; ${nobody}; ${take}; print("held", flush=True); sys.stdin.read()`
    const holder = at.lab.spawn(at.host, ['python3', '-c', hold], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(holder, 'exit')
    let output = ''
    holder.stdout?.on('data', data => {
      output += data
    })
    await until('the name is taken', () => output.includes('held'), 60)
    for (const verb of ['up', 'down']) {
      const { status, stderr } = await at.quick('podwire', [verb, file])
      assert.equal(status, 0, stderr)
    }
    const nobodyOpens = `import glob, os; f = glob.glob("/run/podwire/lock/quick-wg0@*")[0]; ${nobody}; open(f)`
    assert.match(await at.sh(`python3 -c '${nobodyOpens}' 2>&1`), /Permission denied/)
    holder.stdin?.end()
    await ended
    assert.deepEqual(await at.settled(before), before)
  })
})
