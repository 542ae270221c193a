//! The nearest known name, for error messages.

/// Characters of a given name that are compared: names are shorter, and what a stranger sends may be long.
const COMPARED: usize = 64;

/// Likeness above which the user may have meant the other name.
const LIKE: f64 = 0.7;

/// Likeness above which the given name is the other name with a typing mistake.
const SLIP: f64 = 0.9;

/// The known name that is most like `given`, if any is like it at all.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    most_like(given, known, LIKE)
}

/// Known name that `given` is, except for a typing mistake. For places where `given` may also be right.
pub fn slip_of<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    most_like(given, known, SLIP)
}

fn most_like<'a>(given: &str, known: impl IntoIterator<Item = &'a str>, least: f64) -> Option<&'a str> {
    let lower = given.chars().take(COMPARED).collect::<String>().to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > least)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// `message`, followed by the nearest known name, or by all of them if there are few and none is near.
pub fn with_nearest<'a>(message: &str, given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(given, known.iter().copied()) {
        Some(name) => format!("{message}; did you mean '{name}'?"),
        None if !known.is_empty() && known.len() <= 12 => format!("{message}; known: {}", known.join(", ")),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let known = ["scraping", "downloads", "tasks"];
        assert_eq!(nearest("scrapping", known), Some("scraping"));
        assert_eq!(nearest("Download", known), Some("downloads"));
        assert_eq!(nearest("xyzzy", known), None);
        assert_eq!((nearest("task-42", known), slip_of("scrap-42", known)), (Some("tasks"), None));
        assert_eq!(slip_of("scrapng", known), Some("scraping"));
        assert_eq!(with_nearest("no", "xyzzy", known), "no; known: scraping, downloads, tasks");
    }
}
