//! The variables that a command names.

use super::command::Run;
use super::note::Notes;
use super::planner::Planner;
use super::template::Carried;

impl Planner<'_, '_> {
    /// Those that the stage sets, and those that it passes on.
    pub(super) fn environment(&self, run: &Run, notes: &mut Notes) -> (Vec<(String, String)>, Vec<String>) {
        let (file, at) = (&self.file.path, self.stage.cmd_at);
        let (mut env, mut pass) = (Vec::new(), Vec::new());
        for name in &run.variables {
            match name.as_str() {
                "PATH" | "PWD" | "TMPDIR" => {}
                "HOME" => notes.differs(
                    file,
                    at,
                    "`$HOME` is a folder of the stage's own",
                    "name what lies in the home folder by its whole path",
                ),
                "DVC_STAGE" => {
                    let variant = &self.stage.variants[0];
                    let axes =
                        self.stage.axes.iter().map(|axis| format!("${{label.{}}}", axis.name)).collect::<Vec<_>>();
                    let name = if axes.is_empty() {
                        variant.name.clone()
                    } else {
                        format!("{}@{}", self.stage.name, axes.join("-"))
                    };
                    env.push(("DVC_STAGE".to_owned(), name));
                }
                "DVC_ROOT" => {
                    let up = if self.stage.variants[0].wdir == "." {
                        ".".to_owned()
                    } else {
                        vec![".."; self.stage.variants[0].wdir.split('/').count()].join("/")
                    };
                    notes.differs(file, at, "`$DVC_ROOT` is a relative path here", "");
                    env.push(("DVC_ROOT".to_owned(), up));
                }
                name => pass.push(name.to_owned()),
            }
        }
        let text: String = self.stage.variants[0].commands.iter().map(|c| Carried::resolved(c) + " ").collect();
        for program in ["git", "dvc"] {
            if text.split(|c: char| c.is_whitespace() || ";&|(".contains(c)).any(|word| word == program) {
                let what = format!("the command calls `{program}`, and a stage does not see the repository");
                notes.lost(
                    file,
                    at,
                    what,
                    "take that out of the command, or hand what it asks for over as a parameter",
                );
            }
        }
        (env, pass)
    }
}
