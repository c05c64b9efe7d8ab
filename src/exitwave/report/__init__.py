"""The report: what it says of data sets, networks and studies, and the page it says it on."""
