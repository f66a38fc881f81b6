use super::*;

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let catalog = Catalog::new(vec![folder.path().to_owned()]);
    (folder, catalog)
}

fn head(name: &str, version: &str) -> String {
    format!("name: {name}\nversion: {version}\ntitle: T {version}\nsteps: []\n")
}

#[test]
fn the_newest_version_that_fits_is_found() {
    let (_folder, catalog) = folder(&[
        ("a.yaml", &head("db", "1.9.0")),
        ("b.yml", &head("db", "1.10.0")),
        ("sub/c.yaml", &head("db", "2.0")),
        ("other.txt", "x"),
        (".hidden.yaml", &head("db", "9.0")),
    ]);
    let found = |what: &str| catalog.find(what).map(|source| source.text.lines().nth(1).unwrap().to_owned());
    assert_eq!(found("db").unwrap(), "version: 2.0");
    assert_eq!(found("db@1").unwrap(), "version: 1.10.0");
    assert_eq!(found("db@1.9").unwrap(), "version: 1.9.0");
    let message = found("db@1.1").unwrap_err().to_string();
    assert_eq!(message, "there is no version 1.1 of `db`; there are 2.0, 1.10.0, 1.9.0");
    let listed: Vec<String> = catalog.list().iter().map(|entry| format!("{} {}", entry.name, entry.title)).collect();
    assert_eq!(listed, ["db T 2.0", "db T 1.10.0", "db T 1.9.0"]);
}

#[test]
fn a_path_is_a_path() {
    let (folder, catalog) = folder(&[("a.yaml", &head("db", "1.9.0"))]);
    let path = folder.path().join("a.yaml");
    assert_eq!(catalog.find(path.to_str().unwrap()).unwrap().name, path.to_str().unwrap());
    assert!(matches!(catalog.find("./nothing"), Err(CatalogError::Unreadable { .. })));
    assert!(matches!(catalog.find("/dev/zero"), Err(CatalogError::Unreadable { .. })));
}

#[test]
fn a_name_does_not_leave_its_folder() {
    let (_folder, catalog) = folder(&[("db.yaml", &head("db", "1.0"))]);
    for bad in ["..", "DB", "", "@1", "db.yaml", "a b"] {
        assert!(matches!(catalog.find(bad), Err(CatalogError::NoName(_))), "{bad}");
    }
}

#[test]
fn what_is_not_there_is_met_with_what_is() {
    let (_folder, catalog) = folder(&[("db.yaml", &head("db-failover", "1.0"))]);
    assert!(catalog.find("db-failver").unwrap_err().to_string().contains("did you mean `db-failover`?"));
    assert!(catalog.find("cache").unwrap_err().to_string().contains("there are db-failover"));
}

#[test]
fn a_broken_file_is_listed_with_the_reason() {
    let (_folder, catalog) =
        folder(&[("good.yaml", &head("good", "1.0")), ("bad.yaml", "name: [\n"), ("headless.yaml", "steps: []\n")]);
    std::fs::write(_folder.path().join("latin.yaml"), b"name: \xff\n").unwrap();
    let listed = catalog.list();
    let broken = |name: &str| listed.iter().find(|entry| entry.name == name).unwrap().broken.clone();
    assert_eq!(broken("good"), None);
    assert!(broken("bad").unwrap().contains("YAML"));
    assert!(broken("headless").unwrap().contains("no `name`"));
    assert!(broken("latin").unwrap().contains("UTF-8"));
}

#[test]
fn two_files_of_one_version_are_not_guessed_between() {
    let (_folder, catalog) = folder(&[("a.yaml", &head("db", "1.0")), ("b.yaml", &head("db", "1.0"))]);
    assert!(matches!(catalog.find("db"), Err(CatalogError::Ambiguous { .. })));
}

#[test]
fn an_earlier_folder_goes_before_a_later_one() {
    let (first, _) = folder(&[("a.yaml", &head("db", "1.0"))]);
    let (second, _) = folder(&[("a.yaml", &head("db", "1.0"))]);
    let catalog = Catalog::new(vec![first.path().to_owned(), second.path().to_owned()]);
    assert!(catalog.find("db").unwrap().name.starts_with(first.path().to_str().unwrap()));
}

#[cfg(unix)]
#[test]
fn a_link_is_not_followed() {
    let (outside, _) = folder(&[("a.yaml", &head("secret", "1.0"))]);
    let (inside, catalog) = folder(&[("b.yaml", &head("db", "1.0"))]);
    std::os::unix::fs::symlink(outside.path().join("a.yaml"), inside.path().join("link.yaml")).unwrap();
    assert!(matches!(catalog.find("secret"), Err(CatalogError::NotFound { .. })));
}
