"""What every slice stands on: no business words, and nothing imported from the rest of app."""
