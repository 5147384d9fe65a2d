/// How many jars of `kind` there are, as text.
///
/// ```
/// assert_eq!(jars::count("plum").as_deref(), Some("31"));
/// assert_eq!(jars::count("tin"), None);
/// ```
pub fn count(kind: &str) -> Option<String> {
    entries().find(|(name, _)| *name == kind).map(|(_, jars)| itoa::Buffer::new().format(jars).to_owned())
}

/// How many jars there are.
pub fn total() -> u32 {
    entries().map(|(_, jars)| jars).sum()
}

fn entries() -> impl Iterator<Item = (&'static str, u32)> {
    crate::LIST.lines().filter_map(|line| {
        let (name, jars) = line.split_once(' ')?;
        Some((name, jars.parse().ok()?))
    })
}
