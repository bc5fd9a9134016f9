"""Recipes, architectures and the engines that train them. Everything but `recipe` needs torch."""
