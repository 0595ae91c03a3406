//! Netlink calls for JavaScript.
