//! `kiln init`: a small working pipeline to begin with.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Stop, render};

#[derive(Args, Debug)]
pub(crate) struct Init {
    /// Where; made if it is not there [default: here].
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) folder: PathBuf,
}

/// The files, by their paths in the project.
const FILES: [(&str, &str); 6] = [
    ("pipeline.yaml", include_str!("init/pipeline.yaml")),
    ("report.md", include_str!("init/report.md")),
    ("data/points.csv", include_str!("init/points.csv")),
    ("src/fit.awk", include_str!("init/fit.awk")),
    ("src/evaluate.awk", include_str!("init/evaluate.awk")),
    (".gitignore", include_str!("init/gitignore")),
];

pub(crate) fn init(args: &Init) -> Result<u8, Stop> {
    let folder = &args.folder;
    // All or nothing: half a pipeline in a project of somebody else's would be worse than none.
    let there: Vec<&str> = FILES
        .iter()
        .map(|(path, _)| *path)
        .filter(|path| *path != ".gitignore" && folder.join(path).symlink_metadata().is_ok())
        .collect();
    if !there.is_empty() {
        let text = format!("`{}` holds {} already", folder.display(), there.join(", "));
        return Err(Stop::Usage(format!("{text}\nhint: nothing was written; name an empty folder: `kiln init DIR`")));
    }
    for (path, text) in FILES {
        if path == ".gitignore" && folder.join(path).symlink_metadata().is_ok() {
            render::talk("kept .gitignore as it is; it should leave out /cache/ and /out/\n");
            continue;
        }
        write(&folder.join(path), text)
            .map_err(|error| Stop::Error(anyhow::anyhow!("cannot write {}: {error}", folder.join(path).display())))?;
    }
    let place = if folder == Path::new(".") { String::new() } else { format!("cd {} && ", folder.display()) };
    let written = FILES.map(|(path, _)| path).join(", ");
    render::data(&format!("wrote {written}\nnow: {place}kiln run\n"))?;
    Ok(0)
}

/// Writes a file that must not be there.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::File::create_new(path)?.write_all(text.as_bytes())
}
