//! Goal: the documentation says what the code does.
//!
//! Method: `docs/gold.md` and `docs/layers.md` hold a section for each table, rendered here from the definitions and compared;
//! `BLESS=1` writes them. `docs/events.md` must name every field and every reason there is, and no other.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use engine_model::gold::{Column, GOLD, Grains, LEADING, QUARANTINE, TableSchema};
use engine_model::silver::{BRONZE, SILVER};
use engine_model::{Field, Reason};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn columns<'a>(text: &mut String, columns: impl Iterator<Item = &'a Column>) {
    text.push_str("| column | type | |\n|---|---|---|\n");
    for column in columns {
        let null = if column.nullable { ", may be null" } else { "" };
        writeln!(text, "| `{}` | {}{null} | {} |", column.name, column.kind.name(), column.doc).unwrap();
    }
    text.push('\n');
}

fn section(schema: &TableSchema, folder: &str) -> String {
    let name = match schema.grains {
        Grains::Every | Grains::Base => format!("{}_*", schema.name),
        Grains::Daily | Grains::None => schema.name.to_owned(),
    };
    let grains = match schema.grains {
        Grains::Every => " One table for each grain.",
        Grains::Base => " Base window only.",
        Grains::Daily => " Only with a `1d` rollup.",
        Grains::None => "",
    };
    let mut text = format!("## `{folder}{name}`\n\nOne row: {}.{grains}\n\n", schema.row);
    let leading = if schema.is_windowed() { LEADING.len() } else { 0 };
    columns(&mut text, schema.columns().skip(leading));
    text
}

fn rendered() -> String {
    let mut text = String::new();
    columns(&mut text, LEADING.iter());
    for schema in GOLD {
        text += &section(schema, "");
    }
    text += "# Quarantine\n\nUnder `LAKE/quarantine`, unless `--layers` leaves it out. Files are numbered in the order of \
             writing.\n\n";
    for schema in QUARANTINE {
        text += &section(schema, "quarantine/");
    }
    text.trim_end().to_owned() + "\n"
}

/// Compares what stands in a file behind `mark` with what it must be, or writes it.
fn check(name: &str, mark: &str, expected: &str) {
    let text = read(name);
    let (prose, tables) = text.split_once(mark).unwrap_or_else(|| panic!("{name} does not say {mark:?}"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path(name), format!("{prose}{mark}{expected}")).unwrap();
        return;
    }
    assert!(tables == expected, "{name} is not what engine-model defines; BLESS=1 writes it anew");
}

#[test]
fn gold_md_describes_the_tables_that_the_code_defines() {
    check("docs/gold.md", "Every windowed table begins with these.\n\n", &rendered());
}

#[test]
fn layers_md_describes_the_tables_that_the_code_defines() {
    let bronze = BRONZE.iter().map(|schema| section(schema, "bronze/"));
    let silver = SILVER.iter().map(|schema| section(schema, "silver/"));
    let expected = bronze.chain(silver).collect::<String>().trim_end().to_owned() + "\n";
    check("docs/layers.md", "The columns of every table.\n\n", &expected);
}

/// The names in backticks in the first column of the table below a heading.
fn first_column(text: &str, heading: &str) -> BTreeSet<String> {
    let (_, below) = text.split_once(heading).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let rows = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| Some(row.strip_prefix("| `")?.split('`').next()?.to_owned())).collect()
}

#[test]
fn events_md_names_every_field_and_every_reason() {
    let text = read("docs/events.md");
    let fields: BTreeSet<String> = Field::ALL.iter().map(|field| field.name().to_owned()).collect();
    assert_eq!(first_column(&text, "## Fields"), fields);
    let reasons: BTreeSet<String> = Reason::ALL.iter().map(|reason| reason.name().to_owned()).collect();
    assert_eq!(first_column(&text, "## Reasons of rejection"), reasons);
}
