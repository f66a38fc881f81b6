//! Which world a rehearsal is held in: the one that is named, else the one beside the playbooks that fits the inputs best,
//! else one that says nothing. A playbook may have several: `NAME.yaml`, and `NAME.VARIANT.yaml` for other inputs.

use std::path::{Path, PathBuf};

use crate::cli::books::{Chosen, is_file_name};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::sim::Stage;
use crate::value::Value;

/// A world, and what it is called in the first line of a rehearsal.
///
/// # Errors
/// When the one that is named does not exist, or one cannot be read.
pub fn find(setup: &Setup, named: Option<&Path>, name: &str, inputs: &Value) -> Result<(Stage, String), Failure> {
    let Some(named) = named else { return best(setup, name, inputs) };
    let variant = named.to_str().filter(|word| !is_file_name(word));
    let path = match variant {
        Some(word) if !named.exists() => of_variant(setup, name, word)?,
        _ => named.to_path_buf(),
    };
    let stage = read(&path)?;
    if let Err((input, wanted)) = stage.fits(inputs) {
        let given = inputs.get(&input).map(crate::cli::view::plan::short).unwrap_or_default();
        let text = format!("this world is for {input} = {wanted}, and the rehearsal has {input} = {given}");
        setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
    }
    Ok((stage.clone(), describe(&path, &stage)))
}

/// A playbook with its inputs. One that must be given and is not is what its world has for it: a world that stands beside a
/// playbook is for just such inputs. Where none is given at all, the others are the world's too.
///
/// # Errors
/// When the playbook or its inputs cannot be read, or an input is neither given nor in the world.
pub fn chosen(
    setup: &Setup,
    named: Option<&Path>,
    (name, typed, file): (&str, &[String], Option<&Path>),
) -> Result<Chosen, Failure> {
    let playbook = setup.playbook(name)?;
    let is_given = |input: &str| {
        let typed = typed.iter().any(|pair| pair.split_once('=').is_some_and(|(name, _)| name == input));
        typed || std::env::var_os(format!("PLAYBOOK_INPUT_{}", input.to_uppercase())).is_some()
    };
    let missing: Vec<&str> = match file {
        Some(_) => Vec::new(),
        None => {
            let needed = playbook.inputs.iter().filter(|input| input.required && input.default.is_none());
            needed.map(|input| input.name.as_str()).filter(|input| !is_given(input)).collect()
        }
    };
    let none_typed = typed.is_empty();
    let mut typed = typed.to_vec();
    if !missing.is_empty() {
        let stage = match named {
            Some(path) if path.exists() => Some(read(path)?),
            Some(_) => None,
            None => worlds(setup, &playbook.name).first().map(|(_, path)| read(path)).transpose()?,
        };
        let has = stage.iter().flat_map(Stage::inputs).filter(|(name, _)| match none_typed {
            true => !is_given(name),
            false => missing.contains(&name.as_str()),
        });
        typed.extend(has.map(|(name, value)| format!("{name}={value}")));
    }
    setup.chosen(name, &typed, file)
}

/// Of the worlds that fit the inputs, the one that asks for most of them.
fn best(setup: &Setup, name: &str, inputs: &Value) -> Result<(Stage, String), Failure> {
    let mut found: Option<(usize, PathBuf, Stage)> = None;
    for (_, path) in worlds(setup, name) {
        let stage = read(&path)?;
        if let Ok(fitting) = stage.fits(inputs)
            && found.as_ref().is_none_or(|(most, ..)| fitting > *most)
        {
            found = Some((fitting, path, stage));
        }
    }
    Ok(match found {
        Some((_, path, stage)) => {
            let text = describe(&path, &stage);
            (stage, text)
        }
        None => (Stage::default(), "a world that says nothing".to_owned()),
    })
}

fn of_variant(setup: &Setup, name: &str, word: &str) -> Result<PathBuf, Failure> {
    let mut worlds = worlds(setup, name);
    if let Some(place) = worlds.iter().position(|(variant, _)| variant == word) {
        return Ok(worlds.swap_remove(place).1);
    }
    let variants: Vec<&str> =
        worlds.iter().map(|(variant, _)| variant.as_str()).filter(|word| !word.is_empty()).collect();
    let known = if variants.is_empty() { "none".to_owned() } else { variants.join(", ") };
    let what = format!("{name} has no world `{word}`; there are: {known}");
    Err(Failure::new(Exit::NotFound, what)
        .meaning("nothing was started")
        .next(format!("playbook rehearse {} --world FILE     (a file of any name)", crate::cli::paste::quote(name))))
}

/// The worlds of a playbook with their variants: the plain one first, then by name. A folder that comes earlier hides
/// worlds of the same name in later ones.
fn worlds(setup: &Setup, name: &str) -> Vec<(String, PathBuf)> {
    let folders = setup.folders();
    let above = folders.iter().map(|folder| folder.parent().map_or_else(PathBuf::new, Path::to_path_buf));
    let places = above.flat_map(|above| ["worlds", "fixtures/worlds"].map(|place| above.join(place)));
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for place in places {
        // One that is not there holds no worlds.
        for entry in std::fs::read_dir(&place).into_iter().flatten().flatten() {
            // What a link leads to lies outside of the folder: who means it names it with `--world FILE`.
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let file = entry.file_name().to_string_lossy().into_owned();
            let Some(rest) = file.strip_prefix(name).and_then(|rest| rest.strip_suffix(".yaml")) else { continue };
            // The names of playbooks have no dots: `db.yaml` and `db-failover.yaml` are worlds of two.
            let variant = rest.strip_prefix('.').unwrap_or(rest);
            if (rest.is_empty() || rest.starts_with('.')) && !found.iter().any(|(known, _)| known == variant) {
                found.push((variant.to_owned(), entry.path()));
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Result<Stage, Failure> {
    let source = files::read(path, "world")?;
    Stage::read(&source.text).map_err(|error| {
        Failure::new(Exit::Invalid, format!("the world {} cannot be read: {error}", path.display()))
            .meaning("nothing was started")
    })
}

fn describe(path: &Path, stage: &Stage) -> String {
    let title = if stage.title().is_empty() { String::new() } else { format!(" ({})", stage.title()) };
    format!("the world {}{title}", path.display())
}
