"""Runs of a store on this machine, and their way into another one."""
