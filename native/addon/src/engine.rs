//! `Engine` for JavaScript.
