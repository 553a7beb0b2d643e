//! A certificate from two files that somebody else renews. They are looked at every minute, and at once on SIGHUP; reading them needs no
//! order of writing, since a pair that does not fit is only not taken yet.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tollgate_gateway::tls::Pair;
use zeroize::Zeroizing;

use super::Certificate;
use crate::config::TlsFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The pair that the files hold.
pub(super) fn read(files: &TlsFiles) -> Result<Pair, String> {
    let TlsFiles { certificate, key } = files;
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()));
    let (certificate_pem, key_pem) = (read(certificate)?, Zeroizing::new(read(key)?));
    Pair::from_pem(&certificate_pem, &key_pem)
        .map_err(|error| format!("tls.certificate = {}, tls.key = {}: {error}", certificate.display(), key.display()))
}

/// What tells that a file is another than before, whichever way it was replaced; links are followed.
type Mark = Option<(u64, u64, i64, i64, u64)>;

fn marks(files: &TlsFiles) -> [Mark; 2] {
    [&files.certificate, &files.key].map(|path| {
        let file = fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
    })
}

/// Takes what the files hold whenever they have changed. Never ends.
pub(super) async fn watch(certificate: Arc<Certificate>, files: TlsFiles) {
    // Taken before the first look, so that a change between the start's reading and now is not missed: at worst one reading too many.
    let mut taken: [Mark; 2] = [None; 2];
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.tick().await;
    loop {
        let asked = tokio::select! {
            () = certificate.hurry.notified() => true,
            _ = looks.tick() => false,
        };
        let found = marks(&files);
        if found == taken && !asked {
            continue;
        }
        match read(&files).and_then(|pair| certificate.take(&pair)) {
            Ok(()) => taken = found,
            // Looked at again in a minute: the other file may be on its way.
            Err(why) => certificate.failed(&why),
        }
    }
}
