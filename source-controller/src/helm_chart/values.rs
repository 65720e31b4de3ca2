//! PURE: values files merged, and put in place of a chart's own values.

use super::build::{BuildError, Options, Step, clean};
use helm::{Chart, File, values};
use serde_json::{Map, Value};

/// Merged values, and the files that they are from.
pub type Merged = (Map<String, Value>, Vec<String>);

/// Merges the values files that a chart brings itself.
pub fn of_chart(chart: &Chart, options: &Options) -> Result<Merged, BuildError> {
    let failed =
        |text: String| BuildError::new(Step::Values, format!("failed to merge chart values: {text}"));
    let mut merged = Merged::default();
    for path in &options.values_files {
        let name = clean(path);
        let values = if name == "values.yaml" {
            chart.values.clone()
        } else {
            match chart.files.iter().find(|file| file.name == name) {
                Some(file) => read(path, &file.data).map_err(failed)?,
                None if options.ignore_missing => continue,
                None => return Err(failed(format!("no values file found at path '{path}'"))),
            }
        };
        values::merge(&mut merged.0, values);
        merged.1.push(path.clone());
    }
    Ok(merged)
}

/// Merges values files of a source; `content` gives what is in a file below its root.
pub fn of_source(options: &Options, content: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Merged, BuildError> {
    let failed = |text: String| BuildError::new(Step::Values, text);
    let mut merged = Merged::default();
    for path in &options.values_files {
        let name = clean(path);
        let Some(text) = content(&name) else {
            if options.ignore_missing {
                continue;
            }
            let text = format!("no values file found at path '/{name}' (reference '{path}')");
            return Err(failed(text));
        };
        values::merge(&mut merged.0, read(path, &text).map_err(failed)?);
        merged.1.push(path.clone());
    }
    Ok(merged)
}

/// Puts values in place of a chart's own. Gives the files they are from, unless that changed nothing.
pub fn replace(chart: &mut Chart, (merged, files): Merged) -> Result<Vec<String>, BuildError> {
    let Some(own) = &chart.values_file else {
        let text = "failed to locate values file: values.yaml";
        return Err(BuildError::new(Step::Values, text));
    };
    let text = values::print(&merged);
    if *own.data == *text.as_bytes() {
        return Ok(Vec::new());
    }
    chart.values_file = Some(File::new("values.yaml", text));
    chart.values = merged;
    Ok(files)
}

fn read(path: &str, text: &[u8]) -> Result<Map<String, Value>, String> {
    values::read_first(text).map_err(|error| format!("unmarshaling values from '{path}' failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(files: &[&str], ignore_missing: bool) -> Options {
        Options {
            values_files: files.iter().map(|f| (*f).to_owned()).collect(),
            ignore_missing,
            ..Options::default()
        }
    }

    fn chart() -> Chart {
        Chart::from_files(vec![
            File::new("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            File::new("values.yaml", "# kept\na: 1\nb: {c: 2, d: 12345678901234567}\n"),
            File::new("prod.yaml", "b: {c: 3}\nlist: [1]\n"),
        ])
        .unwrap()
    }

    #[test]
    fn later_files_go_over_earlier_ones() {
        let mut chart = chart();
        let merged = of_chart(&chart, &options(&["values.yaml", "./prod.yaml"], false)).unwrap();
        assert_eq!(
            replace(&mut chart, merged).unwrap(),
            ["values.yaml", "./prod.yaml"]
        );
        let text = chart.values_file.unwrap();
        assert_eq!(
            String::from_utf8_lossy(&text.data),
            "a: 1\nb:\n  c: 3\n  d: 12345678901234567\nlist:\n- 1\n"
        );
    }

    #[test]
    fn missing_files_are_told_unless_they_may_be_missing() {
        let chart = chart();
        let error = of_chart(&chart, &options(&["values.yaml", "nope.yaml"], false)).unwrap_err();
        assert_eq!(
            error.message(),
            "values files merge error: failed to merge chart values: no values file found at path 'nope.yaml'"
        );
        let (_, files) = of_chart(&chart, &options(&["values.yaml", "nope.yaml"], true)).unwrap();
        assert_eq!(files, ["values.yaml"]);
        let error = of_source(&options(&["../x.yaml"], false), |_| None).unwrap_err();
        assert_eq!(
            error.message(),
            "values files merge error: no values file found at path '/x.yaml' (reference '../x.yaml')"
        );
    }
}
