// Where a lab's things are: every namespace, file and mount of it has the lab's name in its own, so that whoever comes later
// finds them without asking anyone.
//
//   /run/netns/pwlab-LAB.HOST[.CONTAINER]      network namespaces; "pwlab-LAB._NETWORK" holds the bridge of a LAN
//   /run/podwire-lab/LAB/lab.json              owner and description
//   /run/podwire-lab/LAB/shared/               the same folder in every host: a store, logs, captures
//   /run/podwire-lab/LAB/NAMESPACE.mnt         its mount namespace, pinned
//   /run/podwire-lab/LAB/NAMESPACE.run/        its own /run: UAPI sockets in wireguard/, pid files, …

export const labsFolder = '/run/podwire-lab'
export const netnsFolder = '/run/netns'

export function labFolder(lab: string): string {
  return `${labsFolder}/${lab}`
}

export function stateFile(lab: string): string {
  return `${labFolder(lab)}/lab.json`
}

export function sharedFolder(lab: string): string {
  return `${labFolder(lab)}/shared`
}

/** What the names of all network namespaces of a lab begin with. (Names of labs and hosts have no dot.) */
export function namespacePrefix(lab: string): string {
  return `pwlab-${lab}.`
}

/** Of a host ("a") or a container of it ("a/c1"). */
export function hostNamespace(lab: string, host: string): string {
  return namespacePrefix(lab) + host.replace('/', '.')
}

/** Of the bridge of a LAN. (Names of hosts do not begin with "_".) */
export function lanNamespace(lab: string, network: string): string {
  return `${namespacePrefix(lab)}_${network}`
}

export function netnsPath(namespace: string): string {
  return `${netnsFolder}/${namespace}`
}

export function mountPin(lab: string, namespace: string): string {
  return `${labFolder(lab)}/${namespace}.mnt`
}

export function runFolder(lab: string, namespace: string): string {
  return `${labFolder(lab)}/${namespace}.run`
}
