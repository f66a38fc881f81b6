//! Who stands behind this process, by name: what records say of who did what, and what roles hang on. Of a process that runs
//! as somebody else (`sudo`, a shared account) it is the person who logged in. What that is worth: the kernel keeps the
//! login's own user id and lets nobody change it without a capability; what `sudo` says in the environment is believed where
//! the kernel does not know, as whoever could lie there could write the state's file as well. It must never ask the network.

use nix::unistd::{Uid, User};

/// A login that the kernel knows nothing of.
const NO_LOGIN: u32 = u32::MAX;

/// The name of the person.
pub fn name() -> String {
    let login = std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    let sudo = std::env::var("SUDO_UID").ok().and_then(|text| text.parse().ok());
    of(Uid::current().as_raw(), login, sudo, |uid| {
        User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
    })
}

fn of(own: u32, login: Option<u32>, sudo: Option<u32>, name_of: impl Fn(u32) -> Option<String>) -> String {
    let login = login.filter(|uid| *uid != NO_LOGIN);
    // A login or a sudo of somebody whom this machine has no name for says less than the account itself.
    let person = login.or(sudo).and_then(&name_of);
    // A container often has no name for its user.
    person.or_else(|| name_of(own)).unwrap_or_else(|| format!("uid {own}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(uid: u32) -> Option<String> {
        [(0, "root"), (7, "ann"), (8, "bob")].into_iter().find(|(id, _)| *id == uid).map(|(_, name)| name.to_owned())
    }

    #[test]
    fn the_person_is_who_logged_in() {
        assert_eq!(of(0, Some(7), Some(8), known), "ann", "the kernel knows better than the environment");
        assert_eq!(of(0, Some(NO_LOGIN), Some(8), known), "bob");
        assert_eq!(of(0, None, None, known), "root");
        assert_eq!(of(7, None, None, known), "ann");
        assert_eq!(of(0, Some(99), None, known), "root", "nobody here is called that");
        assert_eq!(of(99, None, None, known), "uid 99");
    }
}
