use std::fs;
use std::os::unix::fs::symlink;

use uuid::Uuid;

use super::*;
use crate::ObjectWriter;
use crate::store::StoreOptions;

const TENANT: Uuid = Uuid::from_u128(7);

/// A folder that is allowed, `in`, beside one that is not, `out`.
struct World {
    folder: tempfile::TempDir,
    allowed: Allowed,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["in", "out", "store"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let json = serde_json::json!({ "*": [format!("file://{}/in", folder.path().display())] });
        let store = folder.path().join("store");
        let allowed = Allowed::parse(
            &json.to_string(),
            store.to_str().unwrap(),
            &StoreOptions::default(),
        );
        Self {
            allowed: allowed.unwrap(),
            folder,
        }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn uri(&self, path: &str) -> String {
        format!("file://{}/{path}", self.folder.path().display())
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn source(&self, path: &str) -> Result<Source, ExternalError> {
        Source::find(&self.allowed, TENANT, &self.uri(path)).await
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let source = self.source(path).await.unwrap();
        let root = self.uri("in/");
        let names = source
            .files()
            .iter()
            .map(|it| it.uri.strip_prefix(&root).unwrap().to_owned());
        names.collect()
    }

    fn target(&self, path: &str, overwrite: bool, attempt: i32) -> Target {
        let job = (Uuid::from_u128(9), attempt);
        Target::find(&self.allowed, TENANT, &self.uri(path), overwrite, job).unwrap()
    }

    /// What there is in `in`, what is hidden too.
    fn listed(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

async fn begin(target: &Target, content: &[u8]) -> Result<ObjectWriter, StoreError> {
    let mut writer = target.store().writer(target.path().clone());
    writer.write(content).await?;
    Ok(writer)
}

async fn write(target: &Target, content: &[u8]) -> Result<u64, StoreError> {
    begin(target, content).await?.finish().await
}

#[tokio::test]
async fn files_come_in_the_order_of_their_names() {
    let world = World::new();
    for name in [
        "in/b.csv",
        "in/a.csv",
        "in/.c.csv",
        "in/d.txt",
        "in/2013/1/x.csv",
        "in/2013/10/x.csv",
        "in/2013/2/y.csv",
    ] {
        world.put(name, name);
    }
    fs::create_dir(world.path("in/folder.csv")).unwrap();
    assert_eq!(world.names("in/*.csv").await, ["a.csv", "b.csv"]);
    assert_eq!(world.names("in/a.csv").await, ["a.csv"]);
    assert_eq!(
        world.names("in/2013/*/x.csv").await,
        ["2013/1/x.csv", "2013/10/x.csv"]
    );
    assert_eq!(world.names("in/*/*/*").await.len(), 3);
    let source = world.source("in/?.csv").await.unwrap_err();
    assert!(source.to_string().contains("%3F"), "{source}");
    for nothing in [
        "in/x.csv",
        "in/x*.csv",
        "in/folder.csv",
        "in/a.csv/x",
        "in/none/*",
    ] {
        let error = world.source(nothing).await.unwrap_err();
        assert!(
            error.to_string().starts_with("there is no file"),
            "{nothing}: {error}"
        );
    }
}

#[tokio::test]
async fn no_link_leads_out_of_a_folder() {
    let world = World::new();
    world.put("out/secret.csv", "secret");
    world.put("in/real.csv", "a");
    symlink(world.path("out/secret.csv"), world.path("in/absolute.csv")).unwrap();
    symlink("../out/secret.csv", world.path("in/relative.csv")).unwrap();
    symlink("../out", world.path("in/folder")).unwrap();
    symlink("real.csv", world.path("in/within.csv")).unwrap();
    for out in [
        "in/absolute.csv",
        "in/relative.csv",
        "in/folder/secret.csv",
        "in/folder/*",
        "in/rel*.csv",
    ] {
        let error = world.source(out).await.unwrap_err().to_string();
        assert!(error.contains("refuses access"), "{out}: {error}");
    }
    let source = world.source("in/within.csv").await.unwrap();
    let read = source.read(&source.files()[0]).get_range(0..10).await.unwrap();
    assert_eq!(read, "a");
    // A file that becomes such a link after it was looked at.
    let source = world.source("in/real.csv").await.unwrap();
    fs::remove_file(world.path("in/real.csv")).unwrap();
    symlink(world.path("out/secret.csv"), world.path("in/real.csv")).unwrap();
    let error = source
        .read(&source.files()[0])
        .get_range(0..10)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Denied(_)), "{error}");

    let target = world.target("in/folder/new.csv", true, 1);
    assert!(matches!(write(&target, b"x").await, Err(StoreError::Denied(_))));
    assert_eq!(world.listed("out"), ["secret.csv"]);
}

#[tokio::test]
async fn a_file_that_changes_is_not_read_on() {
    let world = World::new();
    for change in ["append", "cut", "replace", "remove"] {
        world.put("in/a.csv", "0123456789");
        let source = world.source("in/a.csv").await.unwrap();
        let file = &source.files()[0];
        assert_eq!((file.size_bytes(), source.size_bytes()), (10, 10));
        let bytes = source.read(file);
        assert_eq!(bytes.get_range(0..5).await.unwrap(), "01234");
        match change {
            "append" => fs::write(world.path("in/a.csv"), "0123456789x").unwrap(),
            "cut" => fs::write(world.path("in/a.csv"), "01").unwrap(),
            "replace" => {
                world.put("in/b", "9876543210");
                fs::rename(world.path("in/b"), world.path("in/a.csv")).unwrap();
            }
            _ => fs::remove_file(world.path("in/a.csv")).unwrap(),
        }
        let error = ExternalError::of(&file.uri, bytes.get_range(5..10).await.unwrap_err());
        let text = error.to_string();
        assert!(
            text.contains("has changed") || (change == "remove" && text.starts_with("there is no file")),
            "{change}: {text}"
        );
    }
}

#[tokio::test]
async fn a_target_appears_whole_and_in_nobodys_place() {
    let world = World::new();
    let target = world.target("in/deep/folder/a.csv", false, 2);
    target.check_free().await.unwrap();
    // What an earlier attempt began before it was killed.
    world.put(
        "in/deep/folder/.a.csv.00000000-0000-0000-0000-000000000009-1.part",
        "x",
    );
    let long = vec![b'x'; 9 << 20];
    let writer = begin(&target, &long).await.unwrap();
    assert_eq!(
        world.listed("in/deep/folder").len(),
        1,
        "the dead one is gone, ours is hidden"
    );
    assert_eq!(writer.finish().await.unwrap(), long.len() as u64);
    assert_eq!(world.listed("in/deep/folder"), ["a.csv"]);
    assert!(fs::read(world.path("in/deep/folder/a.csv")).unwrap() == long);

    assert!(matches!(target.check_free().await, Err(ExternalError::Exists(_))));
    for content in [&b"short"[..], &long[1..], &vec![b'y'; long.len()]] {
        let error = write(&target, content).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists(_)), "{error}");
    }
    assert!(fs::read(world.path("in/deep/folder/a.csv")).unwrap() == long);
    // The very same is what an attempt wrote that did not live to tell.
    write(&target, &long).await.unwrap();
    assert_eq!(world.listed("in/deep/folder"), ["a.csv"]);

    let over = world.target("in/deep/folder/a.csv", true, 1);
    over.check_free().await.unwrap();
    write(&over, b"short").await.unwrap();
    assert_eq!(fs::read(world.path("in/deep/folder/a.csv")).unwrap(), b"short");
    write(&target, b"short").await.unwrap();
    assert_eq!(world.listed("in/deep/folder"), ["a.csv"]);
    for _ in 0..2 {
        target.remove().await.unwrap();
        assert!(world.listed("in/deep/folder").is_empty());
    }
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    let world = World::new();
    let target = world.target("in/a.csv", false, 1);
    drop(begin(&target, &vec![0; 9 << 20]).await.unwrap());
    // It goes in a task of its own.
    let gone = async {
        while !world.listed("in").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone)
        .await
        .unwrap();
    let pattern = Target::find(&world.allowed, TENANT, &world.uri("in/*"), false, (TENANT, 1));
    assert!(pattern.unwrap_err().to_string().contains("an export is one"));
}
