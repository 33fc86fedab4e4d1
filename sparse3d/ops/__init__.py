"""The verbs: one folder an operator, one public function, interchangeable backends behind it."""
