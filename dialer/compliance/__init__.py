"""May this number be called now?"""
