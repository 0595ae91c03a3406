// Who may import whom: the one table. test/unit/layers.test.ts checks every import against it, and the table in
// ARCHITECTURE.md is made from it (scripts/docs.mjs).

/** Rank of each folder of src/; a folder imports only folders of a lower rank, and itself. */
export const layers = [
  { rank: 0, folders: ['base'], may: 'node: only', why: 'everything may use it, so it uses nothing' },
  { rank: 1, folders: ['model', 'native'], may: 'base', why: 'plain data; and the one door to the addon' },
  {
    rank: 2,
    folders: ['wireguard', 'system'],
    may: '0-1',
    why: 'the protocol, and the kernel, know nothing of networks',
  },
  {
    rank: 3,
    folders: ['config', 'plan', 'policy'],
    may: 'base, model, one another; no I/O',
    only: ['base', 'model', 'config', 'plan', 'policy'],
    forbiddenModules: ['node:fs', 'node:fs/promises', 'node:child_process', 'node:net', 'node:dgram', 'node:http'],
    why: 'pure, so that every rule of the network is a table of inputs and outputs',
  },
  {
    rank: 4,
    folders: ['kubernetes', 'store'],
    may: '0-3; store may use kubernetes',
    also: { store: ['kubernetes'] },
    why: 'where records live',
  },
  {
    rank: 5,
    folders: ['server', 'agent', 'cni', 'lab'],
    may: '0-4, not one another',
    why: 'each is a program of its own; the command line joins them',
  },
  { rank: 6, folders: ['dashboard', 'demo'], may: '0-5', why: 'they show what the programs do' },
  { rank: 7, folders: ['cli', 'index.ts'], may: 'all', why: 'the only places that print, exit, or are public' },
]
