// What is the same for every subject, and what the subjects are called.

export const congestionControl = 'cubic'
export const linkMtu = 1500
export const deviceMtu = 1420

export const ours = 'podwire'
/** What goals are ratios to. */
export const reference = 'wireguard-go'
/** The two hosts without a device between them. */
export const bareLink = 'bare link'
