pub(crate) const HEIGHT: usize = 3;
