//! Each mistake beside its cure, with the damage measured.

chapter::lessons![
];
