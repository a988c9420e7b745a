//! The sandbox from outside: what an ERP's client, a webhook receiver and a test in another language see of it. One
//! binary for all, because each would link the whole server again.

mod client;
mod completions;
mod control;
mod documented;
mod faults;
mod generations;
mod half_open;
mod legacy;
mod lifecycle;
mod live;
mod load;
mod orders;
mod proxies;
mod schema;
mod sse;
mod token;
mod uploads;
mod webhooks;
mod ws;
