//! `keygen`: a key pair in minisign's format.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use bundle_format::Fingerprint;
use serde::Serialize;

use super::session::{Session, new_password};
use crate::cli::Keygen;
use crate::error::Failure;
use crate::sign;

#[derive(Serialize)]
struct Written<'a> {
    secret_key: &'a Path,
    public_key: &'a Path,
    fingerprint: Fingerprint,
    spoken: String,
}

pub(super) fn run(arguments: &Keygen, session: &Session) -> anyhow::Result<()> {
    let secret_key = arguments.out.join(format!("{}.key", arguments.name));
    let public_key = arguments.out.join(format!("{}.pub", arguments.name));
    // Before anybody types a password.
    for path in [&secret_key, &public_key] {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path).into());
        }
    }
    let password = match arguments.no_password {
        true => None,
        false => Some(new_password(arguments.password_file.as_deref())?),
    };
    let key = sign::generate(password)?;
    fs_err::create_dir_all(&arguments.out).context("cannot make the directory for the key")?;
    create(&secret_key, 0o600, &key.secret)?;
    if let Err(error) = create(&public_key, 0o644, &key.public.to_pub_file()) {
        // A secret key without its other half would only block the next attempt.
        let _ = fs_err::remove_file(&secret_key);
        return Err(error);
    }
    let fingerprint = key.public.fingerprint();
    let written = Written {
        secret_key: &secret_key,
        public_key: &public_key,
        fingerprint,
        spoken: fingerprint.spoken(),
    };
    let text = format!(
        "secret key   {}   (keep it to yourself)\npublic key   {}   (machines trust it)\nfingerprint  {}\nspoken       {}\n",
        secret_key.display(),
        public_key.display(),
        fingerprint,
        written.spoken,
    );
    session.print(&text, &written)
}

fn exists(path: &Path) -> Failure {
    Failure::with_hint(
        format!(
            "`{}` exists already, and keys are never overwritten",
            path.display()
        ),
        "give the new key another name with `--name`",
    )
}

/// Writes a file that did not exist before.
fn create(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(mode);
    }
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(exists(path).into()),
        file => file.context("cannot write the key")?,
    };
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .context("cannot write the key")
}
