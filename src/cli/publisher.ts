// `podwire publisher`: gives the nodes of a cluster the prefixes of their Nodes, until a signal.

import type { Command } from 'commander'
import { endingSignal, openLog } from './long-running.ts'

export function define(command: Command): void {
  command
    .option('--kubeconfig <file>', "absent: the pod's service account")
    .option('--context <name>', 'a context of the kubeconfig, in place of its current one')
    .addHelpText(
      'after',
      `
A node of a cluster has the prefixes of Node.spec.podCIDRs; this claims them for it, as deploy/kubernetes lets it alone. Run
one in a cluster, or two: they do not disturb one another. While none runs, nodes that are in the network stay in it.

Example:
  podwire publisher --kubeconfig ~/.kube/config`,
    )
    .action(async ({ kubeconfig, context }: { kubeconfig?: string; context?: string }) => {
      const [{ publishPodCidrs }, { clusterOfPod }, { readKubeconfig }] = [
        await import('../store/kubernetes-publisher.ts'),
        await import('../kubernetes/cluster.ts'),
        await import('../kubernetes/kubeconfig.ts'),
      ]
      const cluster = await (kubeconfig === undefined ? clusterOfPod() : readKubeconfig(kubeconfig, context))
      const log = await openLog('info', 'publisher')
      const ending = endingSignal()
      const telling = {
        onPublished: (published: object) => log.info(published, 'claimed for the Node'),
        onProblem: (reason: string) => log.warn({ reason }, 'not claimed, or not heard of'),
      }
      await publishPodCidrs(cluster, telling, ending)
    })
}
