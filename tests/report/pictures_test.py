"""Where files of figures go."""

import pathlib
import tempfile
import unittest

from lockstep_report import pictures
from lockstep_report.errors import ReportError


class Pictures(unittest.TestCase):
    def test_a_place_that_cannot_be_a_directory(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "README.md")
            file.touch()
            for path, found in ((file, "File exists"), (file / "pictures", "Not a directory")):
                with self.assertRaises(ReportError) as caught:
                    pictures.make_directory(path)
                self.assertEqual(str(caught.exception),
                                 f"--figures {path}: expected a directory that can be written, found: {found}")


if __name__ == "__main__":
    unittest.main()
