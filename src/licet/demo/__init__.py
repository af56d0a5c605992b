"""The demonstration: the real code on a simulated clock, in a folder that the other commands work on.

stage          the folder and its clock
speech         what people say in a chat, in nine languages (talk/ has their sentences)
code_sessions  what is said, called and printed in a coding session
chats          what somebody's next conversation is
people         who lives in the town, and the world beside the vault
town           two thousand accounts from August to December 2025
scenes         what staff, a recipient and a model do in it
tally_model    that model
checks         the promises, each checked on what is stored
files          the same job on a person's own files
serve          the town's pages, with links to sign in as somebody
"""
