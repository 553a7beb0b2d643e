//! What ACME brought, in the folder `acme` of the data folder: the account, and the certificate with its key in one file, so that they are
//! replaced in one step. Both are its owner's alone. Losing them loses nothing: an account and a certificate can be had anew.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tollgate_gateway::tls::Pair;
use zeroize::Zeroizing;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Stored(PathBuf);

pub(super) const ACCOUNT: &str = "account.json";
pub(super) const CERTIFICATE: &str = "certificate.pem";

/// The certificate that was brought last into this data folder. It makes nothing.
pub(super) fn certificate(data_dir: &Path) -> Result<Option<Pair>, String> {
    let Some(pem) = Stored(data_dir.join("acme")).read(CERTIFICATE) else { return Ok(None) };
    Pair::from_pem(&pem, &pem).map(Some).map_err(|error| error.to_string())
}

impl Stored {
    /// In this data folder; made when it is not there.
    pub(super) fn within(data_dir: &Path) -> Result<Self, String> {
        let folder = data_dir.join("acme");
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(format!("{} cannot be made: {error}", folder.display()))
            }
            Ok(()) | Err(_) => Ok(Self(folder)),
        }
    }

    /// What is there under this name.
    pub(super) fn read(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        fs::read(self.0.join(name)).ok().map(Zeroizing::new)
    }

    /// The whole text, or what was there before.
    pub(super) fn write(&self, name: &str, text: &[u8]) -> Result<(), String> {
        let (path, fresh) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let write = || -> io::Result<()> {
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(text)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }
}
