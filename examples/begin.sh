# The beginning of most pages: an installation of its own in this folder, with the people and the chats beside this file,
# what they chose, and a release of it. Type `. examples/begin.sh` in a clone.
export PATH="$PWD/.venv/bin:$PATH"
./run init --policy examples/policy.yaml >/dev/null
./run import examples/chats.jsonl --accounts examples/accounts.csv --choices examples/choices-of-one-question.csv
./run release build october --purpose improve_models
