"""What is Databricks about the gateway: addresses, paths, models' names, and settings.

Pure but for one small file that `settings.resolve` reads. `hosts` reads an address, `surfaces` says
which paths a server has, `models` what a name tells, `routes` picks the path for a model, `settings`
gathers what the arguments, the environment and the `profiles` of Databricks' own tools say, and
decides where credentials go.
"""
