pub(crate) const WIDTH: usize = 4;
