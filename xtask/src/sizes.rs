//! What an example makes a browser download: each file raw, with gzip -9 and with brotli -11, as a Markdown table.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::workspace::Workspace;

/// The README's table of a site lies between these two lines.
fn markers(site: &str) -> [String; 2] {
    ["begin", "end"].map(|end| format!("<!-- sizes of {site}: {end} -->"))
}

/// Where wasm-bindgen puts the JavaScript that crates bring along: many small files, one row.
const SNIPPETS: &str = "snippets";

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
        let readme = workspace.root().join("README.md");
        let text = fs::read_to_string(&readme)
            .with_context(|| format!("could not read {}", readme.display()))?;
        let name = site.file_name().unwrap_or_default().to_string_lossy();
        let text = between_markers(&text, &markers(&name), &table)
            .with_context(|| format!("in {}", readme.display()))?;
        fs::write(&readme, text)
            .with_context(|| format!("could not write {}", readme.display()))?;
    }
    Ok(())
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
    lines.push(total.row("together"));
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

/// The text with everything between the markers replaced.
fn between_markers(text: &str, [begin, end]: &[String; 2], table: &str) -> Result<String> {
    let missing = || format!("there are no lines `{begin}` and `{end}`");
    let (before, rest) = text.split_once(begin).with_context(missing)?;
    let (_, after) = rest.split_once(end).with_context(missing)?;
    Ok(format!("{before}{begin}\n{table}\n{end}{after}"))
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
    fn the_table_replaces_what_is_between_the_markers() {
        let (ours, theirs) = (markers("app"), markers("other"));
        let page = |[begin, end]: &[String; 2], table| format!("a\n{begin}\n{table}\n{end}\nb\n");
        let text = page(&theirs, "old") + &page(&ours, "old");
        assert_eq!(
            between_markers(&text, &ours, "new").expect("markers"),
            page(&theirs, "old") + &page(&ours, "new")
        );
        assert!(between_markers("nothing", &ours, "new").is_err());
        assert!(between_markers(&ours[0], &ours, "new").is_err());
        assert!(between_markers(&page(&theirs, "old"), &ours, "new").is_err());
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
