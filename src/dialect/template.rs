//! JSON text with holes: `${job}` (a JSON value), `${job_text}` and `${timestamp}` (inside a string).

use super::JobIdType;

/// Checked when it is compiled: it is JSON whatever the holes are filled with.
#[derive(Debug, Clone)]
pub(super) struct Template(String);

impl Template {
    /// Checks that the text is an object once its holes are filled.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let template = Self(text.to_owned());
        let sample = template.render(JobIdType::Integer, "1", "now");
        match serde_json::from_str::<serde_json::Value>(&sample) {
            Ok(serde_json::Value::Object(_)) if !sample.contains("${") => Ok(template),
            Ok(serde_json::Value::Object(_)) => {
                Err("the holes of a frame are ${job}, ${job_text} and ${timestamp}".to_owned())
            }
            Ok(_) => Err("a frame is a JSON object".to_owned()),
            Err(error) => Err(format!("not JSON once its holes are filled: {error}")),
        }
    }

    /// Fills the holes. An id that is no integer is a JSON string, whatever the dialect's ids are.
    pub(super) fn render(&self, id: JobIdType, job: &str, timestamp: &str) -> String {
        let quoted = serde_json::Value::from(job).to_string();
        let text = &quoted[1..quoted.len() - 1];
        let is_number = id == JobIdType::Integer && super::job::check(id, false, job).is_ok();
        let value = if is_number { job } else { &quoted };
        let mut out = String::with_capacity(self.0.len() + job.len() * 2);
        let mut rest = self.0.as_str();
        // One pass, so that an id that looks like a hole stays what it is.
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let holes = [("${job}", value), ("${job_text}", text), ("${timestamp}", timestamp)];
            let (hole, filling) =
                holes.into_iter().find(|(hole, _)| rest.starts_with(hole)).unwrap_or(("${", "${"));
            out.push_str(filling);
            rest = &rest[hole.len()..];
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_once_and_escaped() {
        let template = Template::parse(r#"{"a":${job},"b":"<${job_text}>","c":"${timestamp}"}"#).unwrap();
        assert_eq!(template.render(JobIdType::Integer, "7", "t"), r#"{"a":7,"b":"<7>","c":"t"}"#);
        let odd = template.render(JobIdType::String, "\"${timestamp}", "t");
        assert_eq!(odd, r#"{"a":"\"${timestamp}","b":"<\"${timestamp}>","c":"t"}"#);
        assert_eq!(template.render(JobIdType::Integer, "x", "t"), r#"{"a":"x","b":"<x>","c":"t"}"#);
    }

    #[test]
    fn what_is_no_object_or_has_other_holes_is_refused() {
        assert!(Template::parse("[]").is_err());
        assert!(Template::parse("{").is_err());
        assert!(Template::parse(r#"{"a":"${nope}"}"#).is_err());
    }
}
