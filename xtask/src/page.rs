//! The page of an example: its `index.html`, written for Trunk, turned into one that needs no Trunk.
//!
//! Handles Trunk's assets `rust`, `css`, `copy-file` and `copy-dir`; any other is an error rather than a page that
//! silently lacks something. Addresses come out relative. Deliberately no hashes in file names: the server tells the
//! browser to ask again.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lol_html::html_content::{ContentType, Element};
use lol_html::{RewriteStrSettings, element, rewrite_str};

/// A file or folder that the page needs beside it.
#[derive(Debug, PartialEq, Eq)]
struct Asset {
    /// Where it lies, seen from the example's folder.
    from: PathBuf,
    /// Where it goes, seen from the site's folder.
    to: PathBuf,
}

/// Writes the page of the example in `folder` into `site`, with everything it names.
pub(crate) fn write(folder: &Path, site: &Path, name: &str) -> Result<()> {
    let source = folder.join("index.html");
    let html = fs::read_to_string(&source)
        .with_context(|| format!("could not read {}", source.display()))?;
    let (html, assets) =
        without_trunk(&html, name).with_context(|| format!("in {}", source.display()))?;
    for asset in assets {
        let (from, to) = (folder.join(asset.from), site.join(asset.to));
        copy(&from, &to)
            .with_context(|| format!("could not copy {} to {}", from.display(), to.display()))?;
    }
    fs::write(site.join("index.html"), html)
        .with_context(|| format!("could not write into {}", site.display()))
}

/// The page with Trunk's links replaced by what a browser understands, and the files it needs.
fn without_trunk(html: &str, name: &str) -> Result<(String, Vec<Asset>)> {
    let assets = RefCell::new(Vec::new());
    let programs = RefCell::new(0);
    let links = element!("link[data-trunk]", |link: &mut Element<'_, '_>| {
        match link.get_attribute("rel").as_deref() {
            Some("rust") => {
                *programs.borrow_mut() += 1;
                link.replace(&start_script(name), ContentType::Html);
            }
            Some("css") => {
                let asset = asset_of(link)?;
                link.set_attribute("rel", "stylesheet")?;
                link.set_attribute("href", &asset.to.to_string_lossy())?;
                link.remove_attribute("data-trunk");
                assets.borrow_mut().push(asset);
            }
            Some("copy-file" | "copy-dir") => {
                assets.borrow_mut().push(asset_of(link)?);
                link.remove();
            }
            other => {
                return Err(format!(
                    "xtask can't build Trunk's asset `{}`",
                    other.unwrap_or_default()
                )
                .into());
            }
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new().append_element_content_handler(links);
    let html = rewrite_str(html, settings)?;
    match programs.into_inner() {
        1 => Ok((html, assets.into_inner())),
        n => bail!("a page needs one `<link data-trunk rel=\"rust\">`, this one has {n}"),
    }
}

/// What Trunk puts in the place of its `rust` link, without the hashes.
fn start_script(name: &str) -> String {
    format!(
        r#"<link rel="modulepreload" href="./{name}.js">
<link rel="preload" href="./{name}_bg.wasm" as="fetch" type="application/wasm" crossorigin>
<script type="module">
import init from "./{name}.js";
await init({{ module_or_path: "./{name}_bg.wasm" }});
</script>"#
    )
}

/// A link's `href`, and the place Trunk would give it: its file name, in the folder `data-target-path` if that is named.
fn asset_of(link: &Element<'_, '_>) -> Result<Asset, String> {
    let rel = link.get_attribute("rel").unwrap_or_default();
    let from = PathBuf::from(
        link.get_attribute("href").ok_or_else(|| format!("a `{rel}` link has no href"))?,
    );
    let name = from.file_name().ok_or_else(|| format!("`{}` names no file", from.display()))?;
    let to = Path::new(&link.get_attribute("data-target-path").unwrap_or_default()).join(name);
    Ok(Asset { to, from })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if !from.is_dir() {
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(links: &str, expected: &str, assets: &[(&str, &str)]) {
        let page = |body: &str| {
            format!("<!DOCTYPE html><head>{body}</head><body><p data-trunk>text</p></body>")
        };
        let rust = r#"<link data-trunk rel="rust" data-wasm-opt="z"/>"#;
        let (html, found) = without_trunk(&page(&format!("{links}{rust}")), "app").expect("a page");
        assert_eq!(html, page(&format!("{expected}{}", start_script("app"))));
        let assets: Vec<_> =
            assets.iter().map(|(from, to)| Asset { from: from.into(), to: to.into() }).collect();
        assert_eq!(found, assets);
    }

    #[track_caller]
    fn check_refused(html: &str, reason: &str) {
        let error = format!("{:#}", without_trunk(html, "app").expect_err("refused"));
        assert!(error.contains(reason), "{error:?} does not contain {reason:?}");
    }

    #[test]
    fn trunk_links_become_what_a_browser_understands() {
        check("", "", &[]);
        check(r#"<link rel="icon" href="x.png">"#, r#"<link rel="icon" href="x.png">"#, &[]);
        check(
            r#"<link data-trunk rel="css" href="css/style.css">"#,
            r#"<link rel="stylesheet" href="style.css">"#,
            &[("css/style.css", "style.css")],
        );
        check(r#"<link data-trunk rel="copy-file" href="a/b.txt"/>"#, "", &[("a/b.txt", "b.txt")]);
        check(
            r#"<link data-trunk rel="copy-dir" href="img" data-target-path="static"/>"#,
            "",
            &[("img", "static/img")],
        );
    }

    #[test]
    fn a_page_that_would_lack_something_is_refused() {
        check_refused("<p>", "this one has 0");
        check_refused(
            r#"<link data-trunk rel="rust"><link data-trunk rel="rust">"#,
            "this one has 2",
        );
        check_refused(r#"<link data-trunk rel="sass" href="a.scss">"#, "Trunk's asset `sass`");
        check_refused(r#"<link data-trunk rel="css">"#, "a `css` link has no href");
        check_refused(r#"<link data-trunk>"#, "Trunk's asset ``");
    }

    #[test]
    fn assets_are_copied_beside_the_page() {
        let temporary = tempfile::tempdir().expect("a folder");
        let (folder, site) = (temporary.path().join("in"), temporary.path().join("out"));
        fs::create_dir_all(folder.join("img/deep")).expect("folders");
        fs::create_dir_all(&site).expect("a folder");
        fs::write(folder.join("img/deep/a.txt"), "a").expect("a file");
        fs::write(folder.join("style.css"), "b").expect("a file");
        let links = r#"<link data-trunk rel="rust"><link data-trunk rel="css" href="style.css">
            <link data-trunk rel="copy-dir" href="img">"#;
        fs::write(folder.join("index.html"), links).expect("a file");
        write(&folder, &site, "app").expect("written");
        assert_eq!(fs::read_to_string(site.join("img/deep/a.txt")).expect("copied"), "a");
        assert_eq!(fs::read_to_string(site.join("style.css")).expect("copied"), "b");
        assert!(fs::read_to_string(site.join("index.html")).expect("written").contains("./app.js"));
    }
}
