"""The agentic memory API of OpenSearch's ML Commons plugin, as of its version 3.9."""
