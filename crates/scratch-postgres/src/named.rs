//! A server that the reader names.

use std::fmt;

use tokio_postgres::{Config, config::Host};

const FOR_INSTANCE: &str = "for instance: --postgres postgres://user:password@localhost:5432/db, or the same in DATABASE_URL";

/// The URL of a reader's PostgreSQL. It is shown without user and password.
#[derive(Clone)]
pub struct Named {
    pub(crate) url: String,
    pub(crate) config: Config,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => "localhost".into(),
        };
        let port = self.config.get_ports().first().unwrap_or(&5432);
        let database = self.config.get_dbname().or(self.config.get_user());
        write!(f, "{host}:{port}/{}", database.unwrap_or_default())
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Named({self})")
    }
}

/// Reads the value of `--postgres` and of `DATABASE_URL`.
///
/// ```
/// let named = scratch_postgres::named("postgres://ann:secret@db.example/shop").unwrap();
/// assert_eq!(named.to_string(), "db.example:5432/shop");
/// assert!(scratch_postgres::named("mysql://localhost").unwrap_err().contains("postgres://"));
/// ```
///
/// # Errors
///
/// What is wrong with it, and an example; never the value itself, which may hold a password.
pub fn named(text: &str) -> Result<Named, String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("postgres" | "postgresql") => {}
        Some(other) => {
            return Err(format!("{other}:// isn't a PostgreSQL URL\n{FOR_INSTANCE}"));
        }
        None => return Err(format!("not a URL\n{FOR_INSTANCE}")),
    }
    let config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{}\n{FOR_INSTANCE}", cause.unwrap_or(error.to_string()))
    })?;
    if config.get_options().is_some() || config.get_application_name().is_some() {
        return Err(format!(
            "`options` and `application_name` are the lessons' own\n{FOR_INSTANCE}"
        ));
    }
    if config.get_user().is_none() {
        return Err(format!("it names no user\n{FOR_INSTANCE}"));
    }
    Ok(Named {
        url: text.into(),
        config,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_postgres_url_with_a_user_and_without_the_lessons_settings() {
        for (text, why) in [
            ("", "not a URL"),
            ("localhost", "not a URL"),
            ("mysql://ann:secret@localhost/shop", "mysql:// isn't"),
            ("postgres://ann:secret@localhost:many/shop", "port"),
            ("postgres://localhost/shop", "no user"),
            (
                "postgres://ann:secret@localhost/shop?sslrootcert=x",
                "sslrootcert",
            ),
            (
                "postgres://ann:secret@localhost/shop?options=-cfsync%3Doff",
                "`options`",
            ),
        ] {
            let error = named(text).unwrap_err();
            assert!(
                error.contains(why) && error.contains("--postgres"),
                "{text}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn no_form_of_it_shows_the_password() {
        let named = named("postgres://ann:secret@localhost:5433/shop").unwrap();
        assert_eq!(
            format!("{named} {named:?}"),
            "localhost:5433/shop Named(localhost:5433/shop)"
        );
    }
}
