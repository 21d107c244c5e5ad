//! What is served was built from the sources that are reviewed.

use std::path::Path;

#[test]
fn dist_was_built_from_the_sources_beside_it() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let hash_file = crate_dir.join("dist").join(lapwing_ui::HASH_FILE);
    let kept = std::fs::read_to_string(hash_file).expect("dist/ has a hash");
    let now = lapwing_ui::sources_hash(&crate_dir.join("../../ui")).expect("ui/ is readable");
    assert_eq!(kept.trim(), now, "dist/ is older than ui/: run `cargo xtask ui`");
}
