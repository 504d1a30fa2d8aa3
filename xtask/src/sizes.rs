//! What an example makes a browser download: each file raw, with gzip -9 and with brotli -11, as a Markdown table.
//!
//! The README has that table for the apps; one that is far from what was built is an error.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::workspace::Workspace;

/// The README's table of a site lies between these two lines.
fn markers(site: &str) -> [String; 2] {
    ["begin", "end"].map(|end| format!("<!-- sizes of {site}: {end} -->"))
}

/// Where wasm-bindgen puts the JavaScript that crates bring along: many small files, one row.
const SNIPPETS: &str = "snippets";

/// The row that sums up a table.
const TOGETHER: &str = "together";

/// How far a sum in the README may be from what was built, in percent: builds differ a little, features do not.
const TOLERANCE: u64 = 5;

/// Bytes to download, by encoding.
#[derive(Clone, Copy, Default)]
struct Size {
    raw: usize,
    gzip: usize,
    brotli: usize,
}

/// Prints the table for a site, and writes it into the README if asked to.
pub(crate) fn run(workspace: &Workspace, site: &Path, write: bool) -> Result<()> {
    let table = table(site)?;
    println!("{table}");
    if write {
        let readme = readme(workspace)?;
        let (before, _, after) = around_table(&readme, &markers(&name(site)))?;
        fs::write(path(workspace), format!("{before}\n{table}\n{after}"))
            .context("could not write README.md")?;
    }
    Ok(())
}

/// Prints the table for a site.
///
/// # Errors
/// The README's table of that site is stale.
pub(crate) fn check(workspace: &Workspace, site: &Path) -> Result<()> {
    let measured = table(site)?;
    println!("{measured}");
    let (readme, name) = (readme(workspace)?, name(site));
    let (_, stated, _) = around_table(&readme, &markers(&name))?;
    if !is_near(sum(stated)?, sum(&measured)?) {
        bail!(
            "README.md's sizes of {name} are stale: `cargo xtask sizes {name} --no-build --write` mends that"
        );
    }
    Ok(())
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root().join("README.md")
}

fn readme(workspace: &Workspace) -> Result<String> {
    fs::read_to_string(path(workspace)).context("could not read README.md")
}

fn name(site: &Path) -> String {
    site.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The last row of a table: tenths of kilobytes.
fn sum(table: &str) -> Result<[u64; 3]> {
    let cells = |line: &str| -> Option<[u64; 3]> {
        let sizes = line.strip_prefix("| ")?.strip_prefix(TOGETHER)?;
        let digits = sizes.split('|').map(|cell| cell.replace(|c: char| !c.is_ascii_digit(), ""));
        let sizes: Vec<u64> = digits.filter_map(|digits| digits.parse().ok()).collect();
        sizes.try_into().ok()
    };
    table.lines().find_map(cells).with_context(|| format!("a table has no row `{TOGETHER}`"))
}

fn is_near(stated: [u64; 3], measured: [u64; 3]) -> bool {
    stated
        .iter()
        .zip(measured)
        .all(|(&stated, measured)| stated.abs_diff(measured) * 100 <= measured * TOLERANCE)
}

fn table(site: &Path) -> Result<String> {
    let mut lines =
        vec!["| file | raw | gzip -9 | brotli -11 |".to_owned(), "|---|--:|--:|--:|".to_owned()];
    let (mut total, mut snippets) = (Size::default(), Size::default());
    for file in shipped(site)? {
        let size = Size::of(&fs::read(&file)?)?;
        total = total.plus(size);
        if file.starts_with(site.join(SNIPPETS)) {
            snippets = snippets.plus(size);
        } else {
            lines.push(size.row(&file.file_name().unwrap_or_default().to_string_lossy()));
        }
    }
    if snippets.raw > 0 {
        lines.push(snippets.row(SNIPPETS));
    }
    lines.push(total.row(TOGETHER));
    Ok(lines.join("\n"))
}

/// The wasm and the JavaScript of a site, in name order.
fn shipped(site: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(site).with_context(|| format!("could not read {}", site.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(shipped(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "wasm" || extension == "js")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl Size {
    fn of(bytes: &[u8]) -> Result<Self> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(bytes)?;
        let mut packed = Vec::new();
        let mut input = bytes;
        brotli::BrotliCompress(
            &mut input,
            &mut packed,
            &brotli::enc::BrotliEncoderParams::default(),
        )?;
        Ok(Self { raw: bytes.len(), gzip: gzip.finish()?.len(), brotli: packed.len() })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            raw: self.raw + other.raw,
            gzip: self.gzip + other.gzip,
            brotli: self.brotli + other.brotli,
        }
    }

    fn row(self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {} |",
            kilobytes(self.raw),
            kilobytes(self.gzip),
            kilobytes(self.brotli)
        )
    }
}

/// Bytes as decimal kilobytes, to a tenth.
fn kilobytes(bytes: usize) -> String {
    let tenths = (bytes + 50) / 100;
    format!("{}.{} kB", tenths / 10, tenths % 10)
}

/// A text up to the table between the markers, the table, and the text from its end on.
fn around_table<'a>(
    text: &'a str,
    [begin, end]: &[String; 2],
) -> Result<(&'a str, &'a str, &'a str)> {
    let found = || {
        let from = text.find(begin)? + begin.len();
        let to = from + text[from..].find(end)?;
        Some((&text[..from], text[from..to].trim(), &text[to..]))
    };
    found().with_context(|| format!("README.md has no lines `{begin}` and `{end}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_are_rounded_to_a_tenth() {
        for (bytes, text) in [
            (0, "0.0 kB"),
            (49, "0.0 kB"),
            (50, "0.1 kB"),
            (1000, "1.0 kB"),
            (1_455_315, "1455.3 kB"),
        ] {
            assert_eq!(kilobytes(bytes), text);
        }
    }

    #[test]
    fn the_table_is_what_is_between_the_markers() {
        let (ours, theirs) = (markers("app"), markers("other"));
        let page = |[begin, end]: &[String; 2], table| format!("a\n{begin}\n{table}\n{end}\nb\n");
        let text = page(&theirs, "theirs") + &page(&ours, "ours");
        let (before, table, after) = around_table(&text, &ours).expect("markers");
        assert_eq!((table, after), ("ours", format!("{}\nb\n", ours[1]).as_str()));
        assert_eq!(format!("{before}\n{table}\n{after}"), text);
        for without in ["nothing", ours[0].as_str(), &page(&theirs, "theirs")] {
            assert!(around_table(without, &ours).is_err(), "{without}");
        }
    }

    #[test]
    fn a_table_is_stale_when_a_sum_is_a_twentieth_off() {
        let row = |sizes: [usize; 3]| {
            let [raw, gzip, brotli] = sizes.map(|tenths| tenths * 100);
            format!(
                "| a.js | 1.0 kB | 1.0 kB | 1.0 kB |\n{}",
                Size { raw, gzip, brotli }.row(TOGETHER)
            )
        };
        let measured = [18_486, 8_302, 6_764];
        for (stated, near) in [
            (measured, true),
            ([18_400, 8_400, 6_700], true),
            ([19_410, 8_717, 7_102], true),
            ([19_411, 8_302, 6_764], false),
            ([18_486, 7_886, 6_764], false),
            ([18_486, 8_302, 0], false),
        ] {
            let [stated, measured] =
                [stated, measured].map(|sizes| sum(&row(sizes)).expect("a table"));
            assert_eq!(is_near(stated, measured), near, "{stated:?}");
        }
        for no_table in ["", "| a.js | 1.0 kB | 1.0 kB | 1.0 kB |", "| together | 1.0 kB |"] {
            assert!(sum(no_table).is_err(), "{no_table}");
        }
    }

    #[test]
    fn only_wasm_and_javascript_count_and_they_are_summed() {
        let site = tempfile::tempdir().expect("a folder");
        fs::write(site.path().join("a.js"), "x".repeat(1000)).expect("a file");
        fs::write(site.path().join("b_bg.wasm"), "y".repeat(2000)).expect("a file");
        fs::write(site.path().join("style.css"), "z".repeat(4000)).expect("a file");
        for folder in ["snippets/one", "snippets/two"] {
            fs::create_dir_all(site.path().join(folder)).expect("a folder");
            fs::write(site.path().join(folder).join("inline0.js"), "i".repeat(500))
                .expect("a file");
        }
        let table = table(site.path()).expect("a table");
        assert!(table.contains("| a.js | 1.0 kB | 0.0 kB | 0.0 kB |"), "{table}");
        assert!(table.contains("| snippets | 1.0 kB |"), "{table}");
        assert!(!table.contains("inline0.js"), "{table}");
        assert!(table.contains("| together | 4.0 kB |"), "{table}");
        assert!(!table.contains("style.css"), "{table}");
    }
}
