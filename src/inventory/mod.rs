//! What playbooks act on: hosts, databases, proxies. A leaf: it reads its file and knows nothing of the rest. It never
//! holds a secret, only references to secrets.

mod model;

pub use model::{Database, Fence, Host, Inventory, Member, Proxy, SecretRef};
